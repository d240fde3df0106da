// A download as Deno's manual shows it: fetch(), piped into a file.
const [url, path] = Deno.args as [string, string];
const response = await fetch(url);
const file = await Deno.open(path, { write: true, create: true });
await response.body!.pipeTo(file.writable);
