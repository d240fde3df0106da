#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-write=note.txt
// Listens, and writes and reads files, if it may.
async function attempt(what: string, act: () => unknown) {
  try {
    await act();
    console.log(`${what}: done`);
  } catch (error) {
    console.log(`${what}: ${(error as Error).message.split(",")[0]}`);
  }
}

await attempt("listen on 127.0.0.1", () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close());
await attempt("listen on every address", () => Deno.listen({ port: 0 }).close());
await attempt("write note.txt", () => Deno.writeTextFile("note.txt", "a note\n"));
await attempt("write other.txt", () => Deno.writeTextFile("other.txt", "a note\n"));
await attempt("read note.txt", () => Deno.readTextFile("note.txt"));
