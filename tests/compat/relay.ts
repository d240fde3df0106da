/**
 * Relays between a script and its peer: one records every byte, one holds an
 * answer back in the middle while its server is killed and started again.
 *
 * @module
 */
import { textOf } from "../support/bytes.ts";
import { copy, FakeServer } from "../support/servers.ts";

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
      copy(client, server, (bytes) => record.sent += textOf(bytes)),
      copy(server, client, (bytes) => record.received += textOf(bytes)),
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
      copy(client, server, (bytes) => requests[count - 1] += textOf(bytes)),
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
