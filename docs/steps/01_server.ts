#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A server for one connection. Arguments: [PORT]
const port = Number(Deno.args[0] ?? 9999);
using listener = Deno.listen({ hostname: "127.0.0.1", port });
console.log(`listening on 127.0.0.1:${listener.addr.port}`);

using conn = await listener.accept(); // waits until somebody connects
console.log(`accepted ${conn.remoteAddr.hostname}:${conn.remoteAddr.port}`);

const buffer = new Uint8Array(1024);
for (let n; (n = await conn.read(buffer)) !== null;) {
  console.log(`read ${n} bytes: ${new TextDecoder().decode(buffer.subarray(0, n))}`);
}
console.log("read null: the other side will send no more");
// `using` closes the connection and the listener here
