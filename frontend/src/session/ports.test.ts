import { describe, expect, it } from "vitest";
import { placeOf, readPlace } from "./ports";

describe("a server in the sandbox", () => {
  it("is meant by the addresses that programs print", () => {
    expect(placeOf("http://127.0.0.1:8501")).toEqual({ port: 8501, path: "/" });
    expect(placeOf("http://localhost:8888/lab?token=a%26b")).toEqual({ port: 8888, path: "/lab?token=a%26b" });
    expect(placeOf("http://0.0.0.0:8000/")).toEqual({ port: 8000, path: "/" });
    expect(placeOf("http://[::1]:3000/x#y")).toEqual({ port: 3000, path: "/x" });
    expect(placeOf("http://localhost/")).toEqual({ port: 80, path: "/" });
  });

  it("is not meant by any other", () => {
    for (const other of ["https://example.org:8000", "http://127.0.0.1.example.org", "http://user@example.org", "javascript:alert(1)", "file:///etc/passwd", "ftp://localhost", "nothing"])
      expect(placeOf(other)).toBeNull();
  });

  it("is read as people type it", () => {
    expect(readPlace(" 8000 ")).toEqual({ port: 8000, path: "/" });
    expect(readPlace("localhost:5000/a")).toEqual({ port: 5000, path: "/a" });
    for (const wrong of ["", "0", "70000", "eight", "example.org:80"]) expect(readPlace(wrong)).toBeNull();
  });
});
