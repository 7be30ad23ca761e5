// What the gateway says is in the list of all errors of the product, contracts/error-codes.ts.
export type { ErrorCode as MessageCode } from '../../contracts/error-codes.ts';
export { refusal } from '../../foundation/errors.ts';
export type { Language } from '../../foundation/language.ts';
