const QUANTITY =
  /^(?<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:(?<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?<exponent>[+-]?[0-9]{1,3}))?$/;

const suffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * A quantity of Kubernetes, not negative, as a number: `500m` is 0.5, `2Gi` is 2147483648. Good to 15 digits.
 * @throws RangeError when the text is no quantity.
 */
export function parseQuantity(text: string): number {
  const { number, suffix, exponent } = QUANTITY.exec(text)?.groups ?? {};
  if (number === undefined) throw new RangeError(`${JSON.stringify(text)} is not a quantity`);
  if (exponent !== undefined) return Number(`${number}e${exponent}`);
  return Number(number) * (suffixes[suffix ?? ''] ?? 1);
}
