#!/usr/bin/env python3
# Listens, and writes and reads files: a Python program may do what its user may.
import pathlib
import socket


def attempt(what, act):
    try:
        act()
        print('%s: done' % what)
    except OSError as error:
        print('%s: %s' % (what, error.strerror))


attempt('listen on 127.0.0.1', lambda: socket.create_server(('127.0.0.1', 0)).close())
attempt('listen on every address', lambda: socket.create_server(('', 0)).close())
attempt('write note.txt', lambda: pathlib.Path('note.txt').write_text('a note\n'))
attempt('write other.txt', lambda: pathlib.Path('other.txt').write_text('a note\n'))
attempt('read note.txt', lambda: pathlib.Path('note.txt').read_text())
