export async function checkRendering(_say: (line: string) => void): Promise<string[]> {
  return Promise.resolve([]);
}
