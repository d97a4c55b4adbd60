"""The platform of the integration guide: an auth service, a chatbot and a chat page, which ConvoAI Analytics watches.

``python -m examples.convoai`` runs all of it. Nothing in here knows the analytics service but by its HTTP endpoints and
by its client, ``convoai_analytics_client``.
"""
