// What starting Deno costs.
