import { equal } from "node:assert/strict";
import { within } from "./06_within.ts";

async function pair() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return { client, server: await accepted };
}

/** Work, the failure of which is no second one where nobody waits for it yet. */
function started<Result>(work: Promise<Result>): Promise<Result> {
  work.catch(() => {});
  return work;
}

Deno.test("within gives what came in time, and the connection stays open", async () => {
  const { client, server } = await pair();
  using _client = client, _server = server;
  await server.write(new Uint8Array(5));
  equal(await within(60_000, client, started(client.read(new Uint8Array(9)))), 5);
  equal(await client.write(new Uint8Array(1)), 1);
}); // a timer of a minute that is left makes Deno fail this test

Deno.test("within ends a read that waits for a silent peer", async () => {
  const { client, server } = await pair();
  using _client = client, _server = server;
  const read = started(client.read(new Uint8Array(9)));
  const error = await within(10, client, read).catch((error: Error) => error);
  equal((error as Error).name, "TimeoutError");
  equal(await server.read(new Uint8Array(9)), null, "the peer sees the end");
});

Deno.test("within passes on the error of the work", async () => {
  const conn = { close: () => {} };
  const error = await within(60_000, conn, started(Promise.reject(new Error("broken"))))
    .catch((error: Error) => error);
  equal(error.message, "broken");
});
