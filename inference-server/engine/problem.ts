/** Why something cannot take work, as the probes say it: a stable code, and a sentence for the operator. */
export interface Problem {
  code: string;
  message: string;
}
