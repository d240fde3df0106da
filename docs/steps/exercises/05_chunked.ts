import { todo } from "./todo.ts";

/**
 * Takes the chunks of HTTP (RFC 9112, section 7.1) out of their frames, fed by reads. No
 * extensions and no trailers.
 */
export class Chunked {
  /** Whether the last chunk, of size 0, and the line behind it have come. */
  done = false;

  /** Gives the bytes of the body that are in `bytes`; throws a SyntaxError for what is no chunk. */
  feed(bytes: Uint8Array): Uint8Array {
    return todo(bytes);
  }
}
