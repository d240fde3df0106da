import { TextLineStream as untyped } from "npm:deno-std@1.4.0/streams/text_line_stream.js";

/** A stream of text, cut into lines. */
export interface TextLineStream extends TransformStream<string, string> {}

/** Cuts text at `\n` and `\r\n`; a last line needs no newline. */
export const TextLineStream: new (
  options?: { allowCR?: boolean },
) => TextLineStream = untyped;
