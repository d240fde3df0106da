/**
 * A SOCKS5 proxy that is the server as well.
 *
 * @module
 */
import { writeAll } from "../../mod.ts";
import { textOf } from "./bytes.ts";
import { HELLO } from "./replies.ts";
import { FakeServer, replying } from "./servers.ts";

/** Lets everybody through who says a user and a password, or, without `login`, anybody. */
export function socksServer(
  { login = false, heads = [] }: { login?: boolean; heads?: string[] } = {},
): FakeServer & { messages: string[] } {
  const messages: string[] = []; // what it was sent, one char a byte
  const answers = [
    Uint8Array.of(5, login ? 2 : 0),
    ...login ? [Uint8Array.of(1, 0)] : [],
    Uint8Array.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 80),
  ];
  const server = new FakeServer(async (conn) => {
    const buffer = new Uint8Array(1024);
    for (const answer of answers) {
      const n = await conn.read(buffer); // a client says nothing more before it is answered
      messages.push(textOf(buffer.subarray(0, n ?? 0)));
      await writeAll(conn, answer);
    }
    await replying(HELLO, heads)(conn, 1);
  });
  return Object.assign(server, { messages });
}
