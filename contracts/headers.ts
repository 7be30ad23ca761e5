/** Set by the gateway alone; the edge deletes any that a client sends, in any spelling. */
export const header = {
  requestId: 'x-request-id',
  assertion: 'x-imageplane-assertion',
  /** Present, naming what is away, when the gateway serves in its reduced mode. */
  degraded: 'x-imageplane-degraded',
  /** Percent-encoded UTF-8, since names are Chinese as often as not. */
  userId: 'x-user-id',
  userName: 'x-user-name',
  department: 'x-department',
} as const;
