#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// The greeting server: one task for each connection. Arguments: [PORT]
const encode = (text: string) => new TextEncoder().encode(text);

async function greet(conn: Deno.TcpConn) {
  using _ = conn; // closed at the end, however it ends
  const peer = `${conn.remoteAddr.hostname}:${conn.remoteAddr.port}`;
  console.log(`Accept new connection from ${peer}...`);
  await conn.write(encode("Welcome!"));
  const buffer = new Uint8Array(1024);
  for (let n; (n = await conn.read(buffer)) !== null;) {
    await new Promise((wake) => setTimeout(wake, 100)); // milliseconds
    const name = new TextDecoder().decode(buffer.subarray(0, n));
    if (name === "exit") break;
    await conn.write(encode(`Hello, ${name}!`));
  }
  console.log(`Connection from ${peer} closed.`);
}

using listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
console.log(`listening on 127.0.0.1:${listener.addr.port}`);
console.log("Waiting for connection...");
for (;;) {
  const conn = await listener.accept();
  greet(conn); // no await: the next one need not wait for this one
}
