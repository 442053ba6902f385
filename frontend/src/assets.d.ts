declare module "*?frame" {
  const address: string;
  export default address;
}
