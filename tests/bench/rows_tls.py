# SPDX-License-Identifier: MIT
"""Chunk download over TLS 1.3 with client certificates: chunkd against nginx, CPU of the server."""

import hashlib
import json
import os
import random
import socket
import statistics

from measure import cpu_seconds, fresh, free_port, output, run, say, server

CHUNKS = 2048  # 128 MiB of incompressible chunks, so that each frame is a 64 KiB object
NGINX = """
worker_processes {workers};
daemon off;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  open_file_cache max=10000;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {pki}/server/server.pem;
    ssl_certificate_key {pki}/server/server-key.pem;
    ssl_client_certificate {pki}/ca.pem;
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    root {root};
  }}
}}
"""


class TlsRows:
    def __init__(self, bench):
        self.bench = bench
        self.work = fresh(bench.work("tls"))
        self.carrel = bench.program("carrel")
        self.store = os.path.join(self.work, "store")
        self.pki = os.path.join(self.work, "pki")
        self.root = os.path.join(self.work, "root")
        self.paths = os.path.join(self.work, "paths")
        self.seat = os.path.join(self.pki, "clients", "seat")

    def path(self, name):
        return os.path.join(self.work, name)

    def prepare(self):
        disk = self.path("random.raw")
        with open(disk, "wb") as f:
            for _ in range(CHUNKS):
                f.write(random.randbytes(1 << 16))
        output([self.carrel, "store", "init", self.store])
        output([self.carrel, "--store", self.store, "image", "import", "random", disk, "--format",
                "raw"])
        output([self.carrel, "pki", "init", self.pki])
        output([self.carrel, "pki", "issue", self.pki, "--server", "localhost,127.0.0.1"])
        output([self.carrel, "pki", "issue", self.pki, "--client", "seat"])
        self.fetch_frames(disk)

    def fetch_frames(self, disk):
        """The very bytes that chunkd serves, as files for nginx."""
        os.makedirs(os.path.join(self.root, "v1", "chunks"))
        names = []
        with open(disk, "rb") as f:
            while block := f.read(1 << 16):
                names.append(hashlib.sha256(block).hexdigest())
        with self.chunkd() as (_, port):
            config = self.path("curl.conf")
            with open(config, "w") as f:
                for name in names:
                    f.write(f'url = "https://127.0.0.1:{port}/v1/chunks/{name}"\n'
                            f'output = "{self.root}/v1/chunks/{name}"\n')
            output(["curl", "-sS", "--fail", "--cacert", f"{self.pki}/ca.pem", "--cert",
                    f"{self.seat}/client.pem", "--key", f"{self.seat}/client-key.pem", "-K", config])
        with open(self.paths, "w") as f:
            f.writelines(f"/v1/chunks/{name}\n" for name in names)

    def up(self, port):
        def ready():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        return ready

    def chunkd(self):
        port = free_port()
        return Port(port, server(
            [self.bench.program("carrel-chunkd"), "--store", self.store, "--listen",
             f"127.0.0.1:{port}", "--pki", os.path.join(self.pki, "server"), "--threads", "2"],
            self.up(port), self.path("chunkd.log")))

    def nginx(self):
        port = free_port()
        config = self.path("nginx.conf")
        with open(config, "w") as f:
            f.write(NGINX.format(workers=2, work=self.work, port=port, pki=self.pki,
                                 root=self.root))
        return Port(port, server(["nginx", "-c", config], self.up(port), self.path("nginx.log")))

    def load(self, pid, port, size):
        """CPU milliseconds of the server for each GB of bodies."""
        before = cpu_seconds(pid)
        result = json.loads(output([self.bench.build("bench/tlsload"), "127.0.0.1", str(port),
                                    self.seat, self.paths, "8", size]))
        return (cpu_seconds(pid) - before) * 1000 / (result["bytes"] / 1e9)

    def add(self, table):
        self.prepare()
        figures = {"chunkd": [], "nginx": []}
        for turn in range(self.bench.rounds):
            for name, start in (("chunkd", self.chunkd), ("nginx", self.nginx)):
                say(f"tls: {name}, round {turn + 1}")
                with start() as (child, port):
                    self.load(child.pid, port, "200M")
                    figures[name].append(self.load(child.pid, port, "2G"))
        ours, theirs = (statistics.median(figures[n]) for n in ("chunkd", "nginx"))
        table.add("TLS download, 64 KiB objects: CPU", "ms/GB", ours, "nginx files", theirs,
                  theirs / ours, 1.3)


class Port:
    """A server and the port it listens on."""

    def __init__(self, port, context):
        self.port, self.context = port, context

    def __enter__(self):
        return self.context.__enter__(), self.port

    def __exit__(self, *what):
        return self.context.__exit__(*what)
