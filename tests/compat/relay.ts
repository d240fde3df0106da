/**
 * Relays between a script and its peer: one records every byte, one breaks an
 * answer off in the middle, when its server was killed.
 *
 * @module
 */
import { unbracketed } from "../../mod.ts";
import { textOf } from "../support/bytes.ts";
import type { Peer } from "../support/peers.ts";
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

/** Where a server listens. */
type Server = Pick<Peer, "host" | "port">;

/** A relay whose first connection breaks off. */
export interface BreakingRelay extends AsyncDisposable {
  /** Its port. */
  readonly port: number;
  /** Resolves when the first connection has stopped. */
  readonly held: Promise<void>;
  /** The requests, one for each connection. */
  readonly requests: string[];
  /** Ends the first connection; others go to this server. */
  release(server: Server): void;
}

/**
 * Makes a relay to a server that stops after `limit` bytes of the answer. It ends there when it is
 * released: else all came that the system still holds of a killed server's answer, some megabytes.
 */
export function breakingRelay(server: Server, limit: number): BreakingRelay {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<Server>();
  const requests: string[] = [];
  const relay = new FakeServer(async (client, count) => {
    const first = count === 1, { host, port } = first ? server : await released.promise;
    using conn = await Deno.connect({ hostname: unbracketed(host), port });
    requests[count - 1] = "";
    let passed = 0;
    await Promise.all([
      copy(client, conn, (bytes) => requests[count - 1] += textOf(bytes)),
      copy(conn, client, async ({ length }) => {
        if (first && passed >= limit) {
          held.resolve();
          await released.promise;
          throw new Error("it breaks off");
        }
        passed += length;
      }),
    ]);
  });
  return {
    port: relay.port,
    held: held.promise,
    requests,
    release: released.resolve,
    async [Symbol.asyncDispose]() {
      released.resolve(server); // a handler may wait for it
      await relay[Symbol.asyncDispose]();
    },
  };
}
