#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// Who may listen on a port that is, or was just now, in use?
const hostname = "127.0.0.1";

function listen(what: string, port: number) {
  try {
    const listener = Deno.listen({ hostname, port });
    console.log(`${what}: listening`);
    return listener;
  } catch (error) {
    console.log(`${what}: ${(error as Error).name}`);
  }
}

const first = listen("a server", 0)!;
const { port } = first.addr;
listen("a second one beside it", port);

const client = await Deno.connect({ hostname, port });
const server = await first.accept();
server.close(); // the server closes first, so its side has to remember the connection
await client.read(new Uint8Array(1)); // EOF
client.close();
first.close();

// Deno sets SO_REUSEADDR, always
listen("the next one, at once", port)?.close();
