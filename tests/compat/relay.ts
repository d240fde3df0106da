/**
 * Relays between a script and its peer: one records every byte, one holds an
 * answer back in the middle while its server is killed and started again.
 *
 * @module
 */
import { readUntilEof, writeAll } from "../../mod.ts";
import { FakeServer } from "../testing.ts";

/** Copies until EOF and passes that on; `see` is called with each part first. */
export async function copy(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  see: (bytes: Uint8Array) => unknown = () => {},
) {
  for await (const bytes of readUntilEof(from)) {
    await see(bytes);
    await writeAll(to, bytes);
  }
  await to.closeWrite();
}

/** Bytes as text, each one a character: equal text is equal bytes. */
function binary(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** What passed through a connection, each byte a character. */
export interface Recorded {
  /** What the client sent. */
  sent: string;
  /** What the server sent. */
  received: string;
}

/** A relay to `port`, and what passes, a record for each connection. */
export function recordingRelay(port: number): {
  relay: FakeServer;
  recorded: Recorded[];
} {
  const recorded: Recorded[] = [];
  const relay = new FakeServer(async (client) => {
    const record: Recorded = { sent: "", received: "" };
    recorded.push(record);
    using server = await Deno.connect({ port });
    await Promise.all([
      copy(client, server, (bytes) => record.sent += binary(bytes)),
      copy(server, client, (bytes) => record.received += binary(bytes)),
    ]);
  });
  return { relay, recorded };
}

/** A relay whose first connection stops after some bytes of the answer. */
export interface HoldingRelay extends AsyncDisposable {
  /** Its port. */
  readonly port: number;
  /** Resolves when the first connection has stopped. */
  readonly held: Promise<void>;
  /** The requests, one for each connection. */
  readonly requests: string[];
  /** Lets all go on: the first where it was, others to the server at `port`. */
  release(port: number): void;
}

/** Makes a relay to `port` that stops after `limit` bytes of the answer. */
export function holdingRelay(port: number, limit: number): HoldingRelay {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<number>();
  const requests: string[] = [];
  const relay = new FakeServer(async (client, count) => {
    const first = count === 1;
    using server = await Deno.connect({
      port: first ? port : await released.promise,
    });
    requests[count - 1] = "";
    let passed = 0;
    await Promise.all([
      copy(client, server, (bytes) => requests[count - 1] += binary(bytes)),
      copy(server, client, async (bytes) => {
        passed += bytes.length;
        if (!first || passed < limit) return;
        held.resolve();
        await released.promise;
      }),
    ]);
  });
  return {
    port: relay.port,
    held: held.promise,
    requests,
    release: released.resolve,
    async [Symbol.asyncDispose]() {
      released.resolve(port); // a handler may wait for it
      await relay[Symbol.asyncDispose]();
    },
  };
}
