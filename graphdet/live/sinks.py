"""Where alerts can go: standard output, a file, a signed webhook, a Slack-compatible hook, mail.

    stdout                          JSON lines
    file:PATH                       JSON lines
    https://HOST/PATH               POST of the JSON, signed where GRAPHDET_ALERT_KEY is set
    slack+https://HOST/PATH         POST of {"text": …}
    smtp://HOST:PORT?to=A&from=B    mail; smtps:// and ?starttls=1 encrypt, the password is in GRAPHDET_SMTP_PASSWORD
    env:NAME                        one of these, read from the environment: addresses of hooks are secrets

A webhook's request has the headers `Idempotency-Key`, the alert's key, and `Graphdet-Signature: t=SECONDS,v1=HEX`, the
HMAC-SHA256 of "SECONDS.BODY" by the key. Who receives it compares in constant time and refuses what is older than
minutes.
"""

import hmac
import http.client
import json
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from graphdet import __version__
from graphdet.errors import UsageError
from graphdet.live.delivery import Failed, Refused, Sink
from graphdet.words import visible

KEY_VARIABLE, SMTP_PASSWORD_VARIABLE = "GRAPHDET_ALERT_KEY", "GRAPHDET_SMTP_PASSWORD"
TIMEOUT_S = 10.0  # of a whole request
WORTH_A_RETRY = (408, 425, 429)  # and 5xx


def sink_of(target: str, timeout_s: float = TIMEOUT_S) -> Sink:
    """The sink of a target (see the module).

    Raises:
        UsageError: it is none of these; the message never repeats more of it than its kind.
    """
    if target.startswith("env:"):
        name = target.removeprefix("env:")
        if not os.environ.get(name):
            raise UsageError(f"--alert {target}: the environment has no {name}")
        return sink_of(os.environ[name], timeout_s)
    if target == "stdout":
        return JsonLines(None)
    if target.startswith("file:") and len(target) > len("file:"):
        return JsonLines(Path(target.removeprefix("file:")))
    kind = target.partition(":")[0]
    url = urlsplit(target.removeprefix("slack+"))
    if url.hostname and url.scheme in ("http", "https"):
        key = os.environ.get(KEY_VARIABLE, "")
        return Hook(url, slack=target.startswith("slack+"), key=key.encode(), timeout_s=timeout_s)
    if url.hostname and url.scheme in ("smtp", "smtps"):
        return Mail(url, timeout_s)
    raise UsageError(
        f"--alert {kind}: give stdout, file:PATH, https://…, slack+https://…, smtp://HOST:PORT?to=…&from=… or env:NAME"
    )


class JsonLines:
    """JSON lines, in a file or on standard output."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.name = "stdout" if path is None else f"file {path}"

    def send(self, alert: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            Failed: the disk is full, the folder is missing, …
        """
        line = json.dumps(alert, ensure_ascii=False) + "\n"
        if self._path is None:
            print(line, end="", flush=True)
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Failed(f"cannot be written ({error.strerror})") from error


def signature(key: bytes, body: bytes, at_s: int) -> str:
    """The value of the header Graphdet-Signature.

    >>> signature(b"k", b"{}", 1)[:7], len(signature(b"k", b"{}", 1))
    ('t=1,v1=', 71)
    """
    return f"t={at_s},v1={hmac.new(key, b'%d.' % at_s + body, 'sha256').hexdigest()}"


class Hook:
    """A webhook: plain JSON, signed, or what Slack and its like take."""

    def __init__(self, url: SplitResult, *, slack: bool, key: bytes, timeout_s: float) -> None:
        self._url, self._slack, self._key, self._timeout_s = url, slack, key, timeout_s
        # The path of a hook is its password, so only a digest of it is in the name, which tells hooks apart.
        digest = hmac.new(b"graphdet", url.geturl().encode(), "sha256").hexdigest()[:8]
        self.name = f"{'slack' if slack else 'webhook'} {url.hostname} ({digest})"

    def send(self, alert: Mapping[str, Any]) -> None:
        """POST one alert; redirects are not followed.

        Raises:
            Refused: the receiver answers 4xx, or a redirect.
            Failed: it does not answer within the time, or answers 5xx.
        """
        document = {"text": text_of(alert)} if self._slack else alert
        body = json.dumps(document, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"graphdet/{__version__}",
            "Idempotency-Key": str(alert["key"]),
        }
        if self._key and not self._slack:
            headers["Graphdet-Signature"] = signature(self._key, body, int(time.time()))
        try:
            status = self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"no answer ({type(error).__name__})") from error
        if status in WORTH_A_RETRY or status >= 500:
            raise Failed(f"answered {status}")
        if status >= 300:
            raise Refused(f"answered {status}")

    def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer; the whole request may take no longer than the time-out, however slowly it drips."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout_s)
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        limit = threading.Timer(self._timeout_s, _cut, (connection,))
        limit.daemon = True
        limit.start()
        try:
            connection.request("POST", path, body, dict(headers))
            return connection.getresponse().status
        finally:
            limit.cancel()
            connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    """Break a connection off, so that whoever waits on it gets an error."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class Mail:
    """Mail by SMTP."""

    def __init__(self, url: SplitResult, timeout_s: float) -> None:
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if not asked.get("to") or not asked.get("from"):
            raise UsageError("--alert smtp: say to whom and from whom: smtp://HOST:PORT?to=A&from=B")
        self._url, self._asked, self._timeout_s = url, asked, timeout_s
        self.name = f"mail to {asked['to']}"

    def send(self, alert: Mapping[str, Any]) -> None:
        """Send one mail.

        Raises:
            Refused: the server refuses sender, receiver or message for good.
            Failed: it cannot be reached, or asks to come again.
        """
        message = EmailMessage()
        message["Subject"] = f"[graphdet {alert['severity']}] {visible(str(alert['title']))}"
        message["From"], message["To"] = self._asked["from"], self._asked["to"]
        message["Message-ID"] = f"<{alert['key']}@graphdet>"
        message.set_content(text_of(alert))
        try:
            self._submit(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(min(code for code, _ in error.recipients.values())) from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Failed(f"cannot be sent ({type(error).__name__})") from error

    def _submit(self, message: EmailMessage) -> None:
        host, secure = self._url.hostname or "", ssl.create_default_context()
        if self._url.scheme == "smtps":
            port = self._url.port or 465
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self._timeout_s, context=secure)
        else:
            server = smtplib.SMTP(host, self._url.port or 25, timeout=self._timeout_s)
        with server:
            if self._asked.get("starttls"):
                server.starttls(context=secure)
            if self._url.username:
                server.login(unquote(self._url.username), os.environ.get(SMTP_PASSWORD_VARIABLE, ""))
            server.send_message(message)


def _refusal(code: int) -> Exception:
    """What an answer of a mail server means."""
    if code >= 500:
        return Refused(f"the server refuses the mail ({code})")
    return Failed(f"the server asks to come again ({code})")


def text_of(alert: Mapping[str, Any]) -> str:
    """An alert in plain words, for chats and mails."""
    lines = [f"[{alert['severity']}] {alert['title']}"]
    if alert.get("text"):
        lines.append(str(alert["text"]))
    for name, label in (("joined", "New accounts"), ("members", "Accounts"), ("items", "Targets")):
        if alert.get(name):
            shown = ", ".join(map(str, alert[name][:10]))
            lines.append(f"{label}: {shown}{' …' if len(alert[name]) > 10 else ''}")
    if alert.get("score") is not None:
        seen = f"first act {alert.get('first_seen', '-')}, last {alert.get('last_seen', '-')}"
        lines.append(f"Score {alert['score']:.3g}; {seen}.")
    lines.append(f"Found {alert['at']}, key {alert['key']}. A flag is a reason to look, not a proof.")
    return "\n".join(visible(line) for line in lines)
