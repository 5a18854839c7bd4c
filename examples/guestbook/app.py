"""The guest book: posts are kept in postgres and counted in redis.

GET / lists them, POST / (form field `text`) adds one, GET /health asks both stores.
`python3 app.py --check` asks the running program whether it is healthy.
"""

import html
import os
import signal
import socket
import sys
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><meta charset="utf-8"><title>guest book</title>
<h1>Guest book</h1><p>{count} posts so far</p>
<form method="post"><input name="text" autofocus><button>Post</button></form>
<ul>{posts}</ul>
"""


def database():
    """A new connection to postgres, with the table made."""
    import psycopg2

    with open(os.environ["DATABASE_PASSWORD_FILE"], encoding="utf-8") as file:
        password = file.read().strip()
    connection = psycopg2.connect(os.environ["DATABASE"], password=password, connect_timeout=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(1)")  # `if not exists` alone may race
        cursor.execute("create table if not exists posts (id serial primary key, text text not null)")
    return connection


def redis(*words):
    """Sends one command to redis and returns its one-line answer."""
    host, port = os.environ["REDIS"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as server:
        parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in (w.encode() for w in words))
        server.sendall(b"*%d\r\n%s" % (len(words), parts))
        reply = server.makefile("rb").readline().strip().decode()
    if not reply.startswith(("+", ":")):
        raise OSError(f"redis answered {reply!r}")
    return reply[1:]


def posts():
    connection = database()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select text from posts order by id desc limit 100")
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


def add(text):
    connection = database()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("insert into posts (text) values (%s)", (text,))
    finally:
        connection.close()
    return redis("INCR", "posts")


class GuestBook(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "text/plain", f"{len(posts())} {redis('PING')}\n")
        elif self.path == "/count":
            self.answer(200, "text/plain", f"{redis('INCRBY', 'posts', '0')}\n")
        elif self.path == "/":
            items = "".join(f"<li>{html.escape(text)}</li>" for text in posts())
            self.answer(200, "text/html", PAGE.format(count=redis("INCRBY", "posts", "0"), posts=items))
        else:
            self.answer(404, "text/plain", "there is only /\n")

    def do_POST(self):
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        text = urllib.parse.parse_qs(form).get("text", [""])[0]
        if not text:
            self.answer(400, "text/plain", "the form field `text` is empty\n")
            return
        add(text)
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    if sys.argv[1:] == ["--check"]:
        with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=5) as reply:
            sys.exit(reply.status != 200)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("", 8000), GuestBook).serve_forever()


if __name__ == "__main__":
    main()
