import type { Operation } from '../operation.ts';
import { accountOperations } from './accounts.ts';
import { applicationOperations } from './applications.ts';
import { auditOperations } from './audit.ts';
import { explainOperations } from './explain.ts';
import { exportOperations } from './exports.ts';
import { grantOperations } from './grants.ts';
import { keyOperations } from './keys.ts';
import { ownAccountOperations } from './own-account.ts';
import { projectOperations } from './projects.ts';
import { quotaOperations } from './quota.ts';
import { reviewOperations } from './reviews.ts';
import { roleOperations } from './roles.ts';
import { sessionOperations } from './sessions.ts';
import { statusOperations } from './status.ts';
import { usageOperations } from './usage.ts';

/** Every operation under `/api/v1`, except the document that describes them. */
export const operations: readonly Operation[] = [
  ...ownAccountOperations,
  ...accountOperations,
  ...applicationOperations,
  ...keyOperations,
  ...sessionOperations,
  ...roleOperations,
  ...grantOperations,
  ...explainOperations,
  ...exportOperations,
  ...projectOperations,
  ...reviewOperations,
  ...quotaOperations,
  ...usageOperations,
  ...auditOperations,
  ...statusOperations,
];
