"""The import package of the installed service. In a wheel, ``realtime``, ``storage`` and ``web`` are folders of it."""
