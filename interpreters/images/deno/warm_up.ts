{
  // The first TypeScript of a kernel starts its compiler.
  const started: number = Date.now();
  await Promise.resolve(started);
}
