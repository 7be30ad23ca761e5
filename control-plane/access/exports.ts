/** So many different models in a day are somebody's work; more are somebody taking everything. */
export const MODELS_A_DAY = 3;

/** Whether exporting all of these within a day is a bulk attempt; the same model again does not count twice. Pure. */
export function isBulk(models: readonly string[]): boolean {
  return new Set(models).size > MODELS_A_DAY;
}
