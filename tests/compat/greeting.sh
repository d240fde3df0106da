#!/bin/sh
# The greeting protocol on standard input and output, for servers that run a
# program for each connection. Each read is a message; with --lines each line.
printf 'Welcome!'
if [ "$1" = --lines ]; then
  while IFS= read -r name && [ "$name" != exit ]; do
    printf 'Hello, %s!\n' "$name"
  done
else
  while name=$(dd bs=1024 count=1 2>/dev/null); do
    case $name in '' | exit) break ;; esac
    printf 'Hello, %s!' "$name"
  done
fi
