"""Calls a Lambda handler in the place of Lambda's Python runtime.

It loads _HANDLER from LAMBDA_TASK_ROOT, gets events from the Runtime API and
posts what the handler makes of them. It needs the standard library only.
"""

import decimal
import importlib
import importlib.machinery
import json
import logging
import os
import socket
import sys
import time
import traceback
from types import SimpleNamespace

ROOT = "/2018-06-01/runtime/"


class StartError(Exception):
    """Why there is no handler; kind is its errorType."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class ClientContext:
    """What the caller of the Invoke API says of itself, with the names of Lambda's own."""

    def __init__(self, said):
        self.client = SimpleNamespace(**said["client"]) if isinstance(said.get("client"), dict) else None
        self.custom = said.get("custom")
        self.env = said.get("env")

    @classmethod
    def read(cls, text):
        said = json.loads(text) if text else None
        return cls(said) if isinstance(said, dict) else None


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        environ = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = ClientContext.read(headers.get("lambda-runtime-client-context"))
        self._deadline = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class RuntimeAPI:
    """One connection to the Runtime API, for one request at a time.

    Each request is one write. http.client makes two of one that has a body, and
    reads an answer's header with the parser of e-mails.
    """

    def __init__(self):
        self._address = os.environ["AWS_LAMBDA_RUNTIME_API"]
        self._socket = None
        self._received = b""

    def _call(self, method, path, body=b"", headers=()):
        lines = ["%s %s%s HTTP/1.1" % (method, ROOT, path), "Host: " + self._address]
        if method == "POST":
            lines.append("Content-Length: %d" % len(body))
        lines += headers
        if self._socket is None:
            host, _, port = self._address.partition(":")
            self._socket, self._received = socket.create_connection((host, int(port)), None), b""
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self._answer()

    def _answer(self):
        """The status, the fields with their names in lower case, and the body."""
        while b"\r\n\r\n" not in self._received:
            self._received += self._part(1 << 16)
        end = self._received.index(b"\r\n\r\n")
        status, *fields = self._received[:end].decode("latin-1").split("\r\n")
        headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        begin = end + 4
        end = begin + int(headers.get("content-length", 0))
        if len(self._received) < end:
            parts, missing = [self._received], end - len(self._received)
            while missing > 0:
                parts.append(self._part(min(missing, 1 << 20)))
                missing -= len(parts[-1])
            self._received = b"".join(parts)
        body, self._received = self._received[begin:end], self._received[end:]
        if headers.get("connection", "").lower() == "close":
            self._socket.close()
            self._socket = None
        return int(status.split(" ")[1]), headers, body

    def _part(self, most):
        part = self._socket.recv(most)
        if not part:
            raise OSError("the Runtime API closed the connection")
        return part

    def next(self):
        status, headers, body = self._call("GET", "invocation/next")
        if status != 200:
            raise OSError("the Runtime API answered %d" % status)
        return headers, body

    def respond(self, request_id, answer):
        self._call("POST", "invocation/%s/response" % request_id, answer, ["Content-Type: application/json"])

    def fail(self, path, kind, message, frames):
        body = json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": frames})
        self._call("POST", path, body.encode(), [
            "Content-Type: application/json",
            "Lambda-Runtime-Function-Error-Type: " + "".join(c if " " <= c <= "~" else "?" for c in kind),
        ])


class RuntimePackages:
    """Finds the packages of Lambda's runtime that nothing else has found.

    A folder that has one of them is the last of sys.path from then on: what the
    package itself imports is there too.
    """

    def __init__(self, names, folders):
        self._names, self._folders = names, folders

    def find_spec(self, name, path=None, target=None):
        if path is None and name in self._names:
            for folder in self._folders:
                spec = importlib.machinery.PathFinder.find_spec(name, [folder], target)
                if spec:
                    self._folders.remove(folder)
                    sys.path.append(folder)
                    return spec
        return None


def find_around():
    """Lets the handler find what Lambda has outside its folder.

    Packages of layers come before those of this machine, as on Lambda, and those of
    its runtime after all others.
    """
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "around.json"), encoding="utf-8") as file:
        around = json.load(file)
    here = "python%d.%d" % sys.version_info[:2]
    if around["opt"]:
        folder = os.path.join(around["opt"], "python")
        versions = dict.fromkeys(v for v in (around["runtime"], here) if v)
        sys.path[1:1] = [os.path.join(folder, "lib", v, "site-packages") for v in versions] + [folder]
    folders = list(around["packages"])
    if sys.prefix != sys.base_prefix:  # a virtual environment
        for lib in ("lib/%s/site-packages" % here, "lib/python3/dist-packages", "local/lib/%s/dist-packages" % here):
            folders.append(os.path.join(sys.base_prefix, lib))
    sys.meta_path.append(RuntimePackages(around["pythonSDK"], folders))
    if around["install"]:
        sys.path.append(os.path.join(around["install"], "python"))


def load():
    """Imports the handler's module and returns the handler."""
    module_name, _, name = os.environ["_HANDLER"].rpartition(".")
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    find_around()
    module = importlib.import_module(module_name.replace("/", "."))
    handler = getattr(module, name, None)
    if not callable(handler):
        own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == module.__name__ and not n.startswith("_")]
        raise StartError("Runtime.HandlerNotFound", "%s is not a function of %s; it has %s" % (name, module.__file__, ", ".join(own) or "none of its own"))
    return handler


def kind_of(error):
    """What an error while the handler was loaded is called."""
    if isinstance(error, StartError):
        return error.kind
    if isinstance(error, SyntaxError):
        return "Runtime.UserCodeSyntaxError"
    if isinstance(error, ImportError):
        return "Runtime.ImportModuleError"
    return type(error).__name__


def frames_of(error):
    """The user's part of a stack trace: not this file, not the import machinery."""
    frames = traceback.extract_tb(error.__traceback__)
    machinery = (__file__, importlib.__file__)
    ours = [f for f in frames if f.filename not in machinery and not f.filename.startswith("<frozen importlib")]
    return traceback.format_list(ours)


def show(error, frames):
    """Writes an error as Python does, without the frames of this file."""
    lines = ["Traceback (most recent call last):\n"] + frames if frames else []
    sys.stderr.write("".join(lines + traceback.format_exception_only(type(error), error)))
    sys.stderr.flush()


def plain(value):
    """Makes JSON of what json does not know: Decimal, as Lambda does."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("what the handler returned is not JSON: an object of type %s" % type(value).__name__)


def serve(api, handler):
    headers, body = api.next()
    context = Context(headers)
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
    failing = "invocation/%s/error" % context.aws_request_id
    try:
        result = handler(json.loads(body), context)
    except Exception as error:
        frames = frames_of(error)
        show(error, frames)
        api.fail(failing, type(error).__name__, str(error), frames)
        return
    try:
        answer = json.dumps(result, default=plain).encode()
    except (TypeError, ValueError) as error:
        show(error, [])
        api.fail(failing, "Runtime.MarshalError", str(error), [])
        return
    api.respond(context.aws_request_id, answer)


def main():
    version = "%d.%d" % sys.version_info[:2]
    os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python" + version
    # Lambda has a handler on the root logger too, at level warning.
    logging.basicConfig(stream=sys.stdout, format="[%(levelname)s] %(message)s")
    api = RuntimeAPI()
    try:
        handler = load()
    except Exception as error:
        frames = frames_of(error)
        api.fail("init/error", kind_of(error), str(error), frames)
        if not isinstance(error, StartError):
            show(error, frames)
        sys.exit(1)
    while True:
        try:
            serve(api, handler)
        except OSError:
            sys.exit(1)  # the Runtime API has gone: whoever ran this has ended


if __name__ == "__main__":
    main()
