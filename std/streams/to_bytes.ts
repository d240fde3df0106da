import { toBytes as untyped } from "npm:deno-std@1.4.0/streams/to_bytes.js";

/** Collects a stream of bytes into one array. */
export const toBytes: (
  stream: ReadableStream<Uint8Array>,
) => Promise<Uint8Array> = untyped;
