#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// Four ways in which a client ends a conversation, as the server sees them. Arguments: [PORT]
import { connect, type Socket } from "node:net"; // a Deno.Conn cannot reset its connection

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
const { port } = listener.addr;
const pause = () => new Promise((wake) => setTimeout(wake, 50)); // for what is on its way
const bytes = (text: string) => new TextEncoder().encode(text);

const dial = () => Deno.connect({ hostname: "127.0.0.1", port });
const dialNode = () =>
  new Promise<Socket>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
  });

async function end<Client>(how: string, call: Promise<Client>, leave: (it: Client) => unknown) {
  using server = await listener.accept();
  await leave(await call);
  await pause();
  const seen: string[] = [];
  try {
    const buffer = new Uint8Array(4), n = await server.read(buffer);
    seen.push(n === null ? "read null" : `read "${new TextDecoder().decode(buffer)}"`);
    for (const nth of ["first", "second"]) {
      await server.write(bytes("Goodbye!"));
      seen.push(`${nth} write works`);
      await pause();
    }
  } catch (error) {
    seen.push((error as Error).name);
  }
  console.log(`${how}: ${seen.join(", ")}`);
}

await end("exit", dial(), (client) => client.write(bytes("exit")));
await end("half-close", dial(), (client) => client.closeWrite());
await end("close", dial(), (client) => client.close());
await end("reset", dialNode(), (client) => client.resetAndDestroy());
listener.close();
