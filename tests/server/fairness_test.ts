/**
 * Many busy peers, each of which is served.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { ServerProcess } from "../support/caller.ts";
import { testPeer } from "../support/peers.ts";
import { run } from "../support/process.ts";
import { THOROUGH } from "../support/thorough.ts";

/** Enough for many turns of the runtime's. */
const PEERS = THOROUGH ? 1000 : 500;

/** Greets on so many connections, until there were ten replies for each; prints those of the least served. */
const PYTHON = `
import select, socket, sys
port, count = map(int, sys.argv[1:])
peers, poll = {}, select.epoll()
for i in range(count):
    s = socket.create_connection(("127.0.0.1", port))
    assert s.recv(8, socket.MSG_WAITALL) == b"Welcome!"
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peers[s.fileno()] = [s, 0]
    poll.register(s, select.EPOLLIN)
for s, _ in peers.values():
    s.sendall(b"Ada")
left = 10 * count
while left > 0:
    for fd, _ in poll.poll():
        peer = peers[fd]
        assert peer[0].recv(100) == b"Hello, Ada!"
        peer[1] += 1
        left -= 1
        peer[0].sendall(b"Ada")
print(min(replies for _, replies in peers.values()))
`;

testPeer(`server.ts serves each of ${PEERS} busy connections`, ["python3"], async () => {
  await using server = new ServerProcess(["--delay=0", "--quiet"]);
  const args = [await server.port(), PEERS].map(String);
  const { code, stdout, stderr } = await run("python3", ["-c", PYTHON, ...args]);
  assertEquals([code, stderr], [0, ""]);
  const least = Number(stdout); // of ten on average; 0 without turns
  assert(least >= 4, `the least served had ${least} replies`);
});
