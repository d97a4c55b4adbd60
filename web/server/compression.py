"""What a subscriber and the service agree on about compression: permessage-deflate (RFC 7692).

Subscribers keep no context for what they send. For what they are sent they do, unless they offer otherwise. The service
keeps none for either: it deflates for all subscribers together (``realtime/transports/deflate.py``).
"""

from collections.abc import Sequence

from websockets.exceptions import NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionParameter

from realtime.transports.deflate import WINDOW_BITS


class DeflatedFrame(Frame):
    """The first or only frame of a message that is to be inflated when it is whole, and paid for."""


class SharedDeflate(PerMessageDeflate):
    """The extension as websockets applies it to each frame. It holds nothing, so connections have the same one."""

    def __init__(self) -> None:
        # Or websockets would make what compresses and is not used.
        super().__init__(True, True, 15, WINDOW_BITS)

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Mark a message that is compressed; the bit for it in any other frame is left, and refused."""
        if frame.rsv1 and frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            return DeflatedFrame(frame.opcode, frame.data, frame.fin, False, frame.rsv2, frame.rsv3)
        return frame

    def encode(self, frame: Frame) -> Frame:
        """Leave what is not prepared as it is: short messages."""
        return frame


WITH_CONTEXT, WITHOUT_CONTEXT = SharedDeflate(), SharedDeflate()
"""For subscribers who keep what they inflate, and for those who do not."""


class Offers(ServerPerMessageDeflateFactory):
    """Answers the offers of a subscriber, in its order, and declines those that cannot be met."""

    def __init__(self) -> None:
        # Little memory: what websockets makes for each connection is dropped.
        super().__init__(client_no_context_takeover=True, compress_settings={"memLevel": 1})

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Give the parameters of the answer, and the extension; raises :exc:`NegotiationError` to decline."""
        answer, agreed = super().process_request_params(params, accepted_extensions)
        if agreed.local_max_window_bits < WINDOW_BITS:
            raise NegotiationError("messages are made for a larger window")
        return answer, WITHOUT_CONTEXT if agreed.local_no_context_takeover else WITH_CONTEXT


OFFERS = Offers()
