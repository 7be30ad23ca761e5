export const MINIMUM_NODE = '24.18.1';

/** Whether a version such as 24.21.0 is at least `minimum`. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [given, wanted] = [version, minimum].map((text) => text.split('.').map((part) => parseInt(part, 10)));
  for (const [index, part] of (wanted ?? []).entries()) {
    const own = given?.[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
