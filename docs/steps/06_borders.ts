#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// What happens to the borders of messages, and of characters, on the way.
using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

/** What a reader with a buffer of `size` bytes reads of what `writes` sent. */
async function reads(size: number, ...writes: string[]): Promise<Uint8Array[]> {
  using sender = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using receiver = await listener.accept();
  for (const text of writes) await sender.write(new TextEncoder().encode(text));
  await sender.closeWrite();
  await new Promise((wake) => setTimeout(wake, 100)); // the reader was busy: all has arrived
  const parts: Uint8Array[] = [], buffer = new Uint8Array(size);
  for (let n; (n = await receiver.read(buffer)) !== null;) parts.push(buffer.slice(0, n));
  return parts;
}

const alone = (part: Uint8Array) => new TextDecoder().decode(part);
const show = (texts: string[]) => texts.map((text) => `"${text}"`).join(" ");

const joined = await reads(1024, "Ada", "Bob");
console.log(`2 writes, ${joined.length} read: Hello, ${joined.map(alone)}!`);

const split = await reads(1024, "x".repeat(3000));
const sizes = split.map((part) => part.length).join(" + ");
console.log(`1 write, ${split.length} reads: ${sizes} bytes`);

const cut = await reads(4, "小明"); // three bytes each in UTF-8
console.log(`each read decoded alone:      ${show(cut.map(alone))}`);

const decoder = new TextDecoder();
const streamed = cut.map((part) => decoder.decode(part, { stream: true }));
console.log(`decoded as a stream:          ${show(streamed)}`);
