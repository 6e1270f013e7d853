"""The fault proxy does what its faults are called."""

import contextlib
import os
import socket
import threading
import time

import pytest

from tests.prove.proxy import TcpProxy, process_behind


@pytest.fixture
def echo():
    """A server that answers with what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def accept(server):
    while True:
        try:
            line, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(line,), daemon=True).start()


def answer(line):
    with line, contextlib.suppress(ConnectionError):
        while data := line.recv(1000):
            line.sendall(data)


@pytest.fixture
def proxy(echo):
    with TcpProxy(echo) as proxy:
        yield proxy


def connect(proxy, seconds=5.0):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds)


def heard(line, word=b"word"):
    line.sendall(word)
    return line.recv(1000)


def test_bytes_pass(proxy):
    with connect(proxy) as line:
        assert heard(line) == b"word"


def test_latency_delays_both_ways(proxy):
    proxy.delay(0.1)
    with connect(proxy) as line:
        began = time.monotonic()
        assert heard(line) == b"word"
        assert time.monotonic() - began >= 0.2


def test_blackhole_swallows_until_it_heals(proxy):
    with connect(proxy, 0.3) as line:
        assert heard(line) == b"word"
        proxy.blackhole()
        with pytest.raises(TimeoutError):
            heard(line, b"lost?")
        proxy.heal()
        line.settimeout(5)
        assert line.recv(1000) == b"lost?"


def test_blackhole_may_be_for_one_client_alone(echo):
    with (
        TcpProxy(echo, source_of=lambda port: port) as proxy,
        connect(proxy) as one,
        connect(proxy) as two,
    ):
        assert heard(one) == heard(two) == b"word"
        port = one.getsockname()[1]
        proxy.blackhole(lambda source: source == port)
        assert heard(two) == b"word"
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            heard(one)


def test_reset_breaks_old_and_new_connections(proxy):
    with connect(proxy) as line:
        assert heard(line) == b"word"
        proxy.reset()
        with pytest.raises(ConnectionError):
            heard(line) or heard(line)
    with pytest.raises(ConnectionError), connect(proxy) as line:
        heard(line) or heard(line)


def test_cut_ends_the_old_and_lets_the_new_through(proxy):
    with connect(proxy) as line:
        assert heard(line) == b"word"
        proxy.cut()
        assert line.recv(1000) == b""
    with connect(proxy) as line:
        assert heard(line) == b"word"


def test_down_refuses_until_it_heals_on_the_same_port(proxy):
    port = proxy.port
    proxy.down()
    with pytest.raises(ConnectionError):
        connect(proxy)
    proxy.heal()
    assert proxy.port == port
    with connect(proxy) as line:
        assert heard(line) == b"word"


def test_process_behind_a_connection_is_known(proxy):
    with connect(proxy) as line:
        assert process_behind(line.getsockname()[1], [1, os.getpid()]) in (1, os.getpid())
        assert process_behind(line.getsockname()[1], [os.getppid(), os.getpid()]) == os.getpid()
