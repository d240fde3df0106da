/**
 * Many busy peers, each of which is served.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { ServerProcess } from "../support/caller.ts";
import { testPeer } from "../support/peers.ts";
import { run } from "../support/process.ts";

/** Greets on 1,000 connections until there were 15,000 replies; prints those of the least served. */
const PYTHON = `
import select, socket, sys
peers, poll = {}, select.epoll()
for i in range(1000):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    assert s.recv(8, socket.MSG_WAITALL) == b"Welcome!"
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peers[s.fileno()] = [s, 0]
    poll.register(s, select.EPOLLIN)
for s, _ in peers.values():
    s.sendall(b"Ada")
left = 15000
while left > 0:
    for fd, _ in poll.poll():
        peer = peers[fd]
        assert peer[0].recv(100) == b"Hello, Ada!"
        peer[1] += 1
        left -= 1
        peer[0].sendall(b"Ada")
print(min(replies for _, replies in peers.values()))
`;

testPeer("server.ts serves each of 1,000 busy connections", ["python3"], async () => {
  await using server = new ServerProcess(["--delay=0", "--quiet"]);
  const { code, stdout, stderr } = await run("python3", ["-c", PYTHON, `${await server.port()}`]);
  assertEquals([code, stderr], [0, ""]);
  const least = Number(stdout); // of 15 on average; 0 without turns
  assert(least >= 4, `the least served had ${least} replies`);
});
