#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// The greeting server with lines: right, and at everybody's mercy. Arguments: [PORT]
async function greet(conn: Deno.TcpConn) {
  using _ = conn;
  const send = async (text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let n = 0; n < bytes.length;) n += await conn.write(bytes.subarray(n));
  };
  await send("Welcome!\n");
  const buffer = new Uint8Array(64 * 1024), decoder = new TextDecoder();
  let rest = "";
  for (let n; (n = await conn.read(buffer)) !== null;) {
    const lines = decoder.decode(buffer.subarray(0, n), { stream: true }).split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    for (const line of lines) await send(`Hello, ${line}!\n`);
  }
}

using listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
console.log(`listening on 127.0.0.1:${listener.addr.port}`);
for (;;) greet(await listener.accept());
