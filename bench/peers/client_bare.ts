// Greets PORT as often as COUNT says with a read and a write each, and looks at nothing that comes.
const [port, count] = Deno.args.map(Number) as [number, number];
const conn = await Deno.connect({ hostname: "127.0.0.1", port });
const buffer = new Uint8Array(64 * 1024), encoder = new TextEncoder();
await conn.read(buffer);
for (let i = 0; i < count; i++) {
  const reading = conn.read(buffer);
  await conn.write(encoder.encode(`Michael${i}`));
  await reading;
}
Deno.exit(0);
