import { LimitedBytesTransformStream as untyped } from "npm:deno-std@1.4.0/streams/limited_bytes_transform_stream.js";

/** A stream that passes at most `size` bytes on. */
export interface LimitedBytesTransformStream extends TransformStream<Uint8Array, Uint8Array> {}

/**
 * Ends the stream before the chunk that would exceed `size` bytes, with a
 * `RangeError` when `error` is true.
 */
export const LimitedBytesTransformStream: new (
  size: number,
  options?: { error?: boolean },
) => LimitedBytesTransformStream = untyped;
