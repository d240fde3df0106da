import { equal, throws } from "node:assert/strict";
import { Chunked } from "./05_chunked.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const body = bytes("3\r\nAda\r\nA\r\n0123\r\n6789\r\n06\r\n小明\r\n0\r\n\r\n");

Deno.test("Chunked gives the same body for each way to cut the bytes in three", () => {
  for (let first = 0; first <= body.length; first++) {
    for (let second = first; second <= body.length; second++) {
      const chunked = new Chunked(), decoder = new TextDecoder();
      let page = "";
      for (const part of [body.slice(0, first), body.slice(first, second), body.slice(second)]) {
        page += decoder.decode(chunked.feed(part), { stream: true });
      }
      equal(page, "Ada0123\r\n6789小明", `cut at ${first} and ${second}`);
      equal(chunked.done, true);
    }
  }
});

Deno.test("Chunked is not done before its last byte", () => {
  const chunked = new Chunked();
  chunked.feed(body.slice(0, -1));
  equal(chunked.done, false, "or a broken connection would pass for the end");
});

Deno.test("Chunked refuses what is no chunk", () => {
  for (const wrong of ["x\r\n", "-1\r\n", "\r\n", "1\r\nab\r\n"]) {
    throws(() => new Chunked().feed(bytes(wrong)), SyntaxError, JSON.stringify(wrong));
  }
});
