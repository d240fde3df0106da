import { deepEqual } from "node:assert/strict";
import { frame, Frames } from "./04_frames.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (message: Uint8Array) => new TextDecoder().decode(message);

Deno.test("frame puts four bytes of length in front", () => {
  deepEqual([...frame(bytes("Ada"))], [0, 0, 0, 3, 65, 100, 97]);
  deepEqual([...frame(bytes(""))], [0, 0, 0, 0]);
  deepEqual([...frame(new Uint8Array(0x10203))].slice(0, 4), [0, 1, 2, 3]);
});

Deno.test("Frames gives the same messages for each way to cut the bytes in three", () => {
  const messages = ["Ada", "", "a\nb", "小明"];
  const sent = new Uint8Array(messages.flatMap((message) => [...frame(bytes(message))]));
  for (let first = 0; first <= sent.length; first++) {
    for (let second = first; second <= sent.length; second++) {
      const frames = new Frames();
      const parts = [sent.slice(0, first), sent.slice(first, second), sent.slice(second)];
      deepEqual(parts.flatMap((part) => frames.feed(part)).map(text), messages);
    }
  }
});
