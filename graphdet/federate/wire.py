"""What goes over the wire, and the two ends of it (gRPC).

A message is a JSON header of a known length and arrays as safetensors: numbers, names and shapes, nothing that could be
run. With `tls` both ends show a certificate of one authority, and a party is who its certificate says; without, only
addresses of this machine are used.
"""

import json
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from graphdet.errors import GraphdetError, UsageError

SERVICE = "graphdet.federate"
LARGEST_MESSAGE = 32 << 20  # of one message
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
TLS_FILES = ("authority.pem", "certificate.pem", "key.pem")
_LENGTH = struct.Struct(">I")
_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
]
_LONGEST_START_S = 60.0  # that a party waits for the server to be there


@dataclass(frozen=True)
class Parcel:
    """A header, of JSON, and arrays by name."""

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def pack(self) -> bytes:
        """As bytes."""
        header = json.dumps(self.header).encode()
        arrays = {name: np.ascontiguousarray(value) for name, value in self.arrays.items()}
        return _LENGTH.pack(len(header)) + header + (save(arrays) if arrays else b"")

    @classmethod
    def unpack(cls, packed: bytes) -> "Parcel":
        """From bytes.

        Raises:
            GraphdetError: they are no message.
        """
        try:
            (length,) = _LENGTH.unpack_from(packed)
            header = json.loads(packed[_LENGTH.size : _LENGTH.size + length])
            arrays = packed[_LENGTH.size + length :]
            found = cls(header, load(arrays) if arrays else {})
        except (struct.error, ValueError, SafetensorError) as error:
            raise GraphdetError(
                f"a message of another form than graphdet's ({error}); use one version everywhere"
            ) from error
        if not isinstance(header, dict):
            raise GraphdetError("a message without a header; use one version everywhere")
        return found


def read_tls(folder: Path) -> tuple[bytes, bytes, bytes]:
    """The authority's certificate, one's own, and one's own key.

    Raises:
        UsageError: one cannot be read.
    """
    try:
        authority, certificate, key = ((folder / name).read_bytes() for name in TLS_FILES)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: {error.strerror}; --tls takes a folder with {', '.join(TLS_FILES)}"
        ) from error
    return authority, certificate, key


def check_address(host: str, tls: Path | None) -> None:
    """Refuse to leave this machine in the clear.

    Raises:
        UsageError: the host is another one, and there is no TLS.
    """
    if tls is None and host not in _LOOPBACK:
        raise UsageError(
            f"{host} is not this machine: give --tls DIR, so that nobody else reads or speaks for a party"
        )


AnswerTo = Callable[[str | None, Parcel], Parcel]  # who asks, where a certificate says so; what; → the answer


def listen(
    address: str, tls: Path | None, n_parties: int, answers: Mapping[str, AnswerTo]
) -> tuple[grpc.Server, int]:
    """AnswerTo by name of the method; gives the running server and its port.

    Raises:
        UsageError: the address cannot be listened on.
    """

    def handler(answer: AnswerTo) -> Any:
        def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return answer(_name_of(context), Parcel.unpack(request)).pack()
            except GraphdetError as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
                raise AssertionError from error  # abort has raised

        return grpc.unary_unary_rpc_method_handler(reply)

    server = grpc.server(ThreadPoolExecutor(2 * n_parties + 2), options=[*_OPTIONS, ("grpc.so_reuseport", 0)])
    methods = {name: handler(answer) for name, answer in answers.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            authority, certificate, key = read_tls(tls)
            port = server.add_secure_port(
                address,
                grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True),
            )
    except RuntimeError as error:
        raise UsageError(
            f"{address} cannot be listened on; give another --port, or look into the files of --tls"
        ) from error
    server.start()
    return server, port


def _name_of(context: grpc.ServicerContext) -> str | None:
    """Who the certificate says is asking; None without one."""
    names = context.auth_context().get("x509_common_name")
    return names[0].decode() if names else None


class PartyLine:
    """A party's line to the server."""

    def __init__(self, address: str, tls: Path | None) -> None:
        self.address = address
        if tls is None:
            self.channel = grpc.insecure_channel(address, _OPTIONS)
        else:
            authority, certificate, key = read_tls(tls)
            self.channel = grpc.secure_channel(
                address, grpc.ssl_channel_credentials(authority, key, certificate), _OPTIONS
            )

    def ask(self, method: str, message: Parcel, patience_s: float = _LONGEST_START_S) -> Parcel:
        """Send, wait, and give the answer.

        Raises:
            GraphdetError: the server says no, or is not there.
        """
        try:
            call = self.channel.unary_unary(f"/{SERVICE}/{method}")
            return Parcel.unpack(call(message.pack(), timeout=patience_s, wait_for_ready=method == "join"))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                raise GraphdetError(f"the server at {self.address} says: {error.details()}") from error
            raise GraphdetError(
                f"the server at {self.address} does not answer ({error.code().name.lower()}); is it running, and do "
                "both ends use --tls, or none?"
            ) from error

    def close(self) -> None:
        """Hang up."""
        self.channel.close()
