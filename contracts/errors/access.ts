/** What somebody may not do, and what the administration of a tenant refuses. */
export const accessErrors = {
  access_denied: {
    status: 403,
    en: '{reason} Rule: {rule}. Ask an administrator of your tenant if you need this.',
    zh: '{reason}规则：{rule}。如有需要，请联系租户管理员。',
  },
  second_factor_required: {
    status: 403,
    en: 'This needs a second factor (rule {rule}). Sign in again with one.',
    zh: '此操作需要双重验证（规则：{rule}）。请完成双重验证后重新登录。',
  },
  grant_exceeds_own: {
    status: 403,
    en: 'You may not give {gift}: you do not hold all of it yourself, for so long and in those circumstances. Ask somebody who does.',
    zh: '您不能授予{gift}：您本人并未在同样的期限和条件下拥有其全部权限。请联系拥有该权限的人员。',
  },
  bulk_export_refused: {
    status: 403,
    en: 'This would export the files of many models in a short time. It is refused, and an alert was raised. Export one model at a time, or ask an administrator.',
    zh: '此操作会在短时间内导出多个模型的文件，已被拒绝并触发告警。请每次导出一个模型，或联系管理员。',
  },
  model_not_found: {
    status: 404,
    en: 'There is no model {model} that your tenant may use. Check its name.',
    zh: '找不到模型 {model}，或您的租户无权使用。请检查名称。',
  },
  tenant_not_found: {
    status: 404,
    en: 'There is no tenant {tenant}. Check its name.',
    zh: '租户 {tenant} 不存在。请检查名称。',
  },
  principal_not_found: {
    status: 404,
    en: 'There is no principal {principal} in the tenant. Check its id.',
    zh: '租户中不存在主体 {principal}。请检查其编号。',
  },
  principal_disabled: {
    status: 409,
    en: 'The principal {principal} is disabled. Enable it first.',
    zh: '主体 {principal} 已停用。请先将其启用。',
  },
  account_not_found: {
    status: 404,
    en: 'There is no account {account}. GET /api/v1/accounts lists yours.',
    zh: '账号 {account} 不存在。可通过 GET /api/v1/accounts 查看现有账号。',
  },
  login_taken: {
    status: 409,
    en: 'There is an account {login} already. Choose another name.',
    zh: '账号 {login} 已存在。请换一个名称。',
  },
  own_account: {
    status: 409,
    en: 'Nobody may disable or delete their own account. Ask another administrator.',
    zh: '不能停用或删除自己的账号。请联系其他管理员。',
  },
  own_role: {
    status: 409,
    en: 'Nobody changes or withdraws their own role. Ask another administrator.',
    zh: '不能更改或撤销自己的角色。请联系其他管理员。',
  },
  application_not_found: {
    status: 404,
    en: 'There is no application {application}. GET /api/v1/applications lists yours.',
    zh: '应用 {application} 不存在。可通过 GET /api/v1/applications 查看现有应用。',
  },
  key_not_found: {
    status: 404,
    en: 'There is no key {key} in force here. GET /api/v1/keys and GET /api/v1/applications list them.',
    zh: '没有生效中的密钥 {key}。可通过 GET /api/v1/keys 和 GET /api/v1/applications 查看。',
  },
  keys_full: {
    status: 409,
    en: 'The application has {limit} live keys. Revoke the one that is no longer used first: lastUsedAt tells which.',
    zh: '该应用已有 {limit} 个有效密钥。请先吊销不再使用的密钥，可根据 lastUsedAt 判断。',
  },
  session_not_found: {
    status: 404,
    en: 'There is no such session in force that you may end. GET /api/v1/sessions lists those that you may.',
    zh: '没有您可以结束的该会话，或会话已失效。可通过 GET /api/v1/sessions 查看。',
  },
  role_not_found: {
    status: 404,
    en: 'There is no role {role} in your tenant. GET /api/v1/roles lists yours.',
    zh: '租户中不存在角色 {role}。可通过 GET /api/v1/roles 查看现有角色。',
  },
  too_many_roles: {
    status: 409,
    en: 'A tenant has {limit} roles at most. Delete one first.',
    zh: '每个租户最多可有 {limit} 个角色。请先删除一个。',
  },
  assignment_not_found: {
    status: 404,
    en: 'The principal {principal} does not have the role {role}.',
    zh: '主体 {principal} 没有角色 {role}。',
  },
  grant_not_found: {
    status: 404,
    en: 'There is no grant {grant} in your tenant. GET /api/v1/grants lists yours.',
    zh: '租户中不存在授权 {grant}。可通过 GET /api/v1/grants 查看现有授权。',
  },
  too_many_grants: {
    status: 409,
    en: 'A tenant has {limit} grants at most. Withdraw some, or use roles.',
    zh: '每个租户最多可有 {limit} 条授权。请撤销部分授权，或改用角色。',
  },
  project_not_found: {
    status: 404,
    en: 'There is no project {project}. GET /api/v1/projects lists yours.',
    zh: '项目 {project} 不存在。可通过 GET /api/v1/projects 查看现有项目。',
  },
  project_exists: {
    status: 409,
    en: 'There is a project {name} already. Choose another name.',
    zh: '项目 {name} 已存在。请换一个名称。',
  },
  already_member: {
    status: 409,
    en: 'The principal {principal} is a member already.',
    zh: '主体 {principal} 已是项目成员。',
  },
  member_not_found: {
    status: 404,
    en: 'The project has no member {principal}.',
    zh: '项目中没有成员 {principal}。',
  },
  owner_stays: {
    status: 409,
    en: 'The owner of a project is its member. Delete the project instead.',
    zh: '项目所有者始终是项目成员。如需退出，请删除该项目。',
  },
  invitation_not_found: {
    status: 404,
    en: 'There is no invitation {invitation} that waits for your answer: it was answered, withdrawn, or has expired.',
    zh: '没有等待您答复的邀请 {invitation}：邀请可能已被答复、已被撤回或已过期。',
  },
  review_not_found: {
    status: 404,
    en: 'There is no access review {review}. GET /api/v1/access-reviews lists yours.',
    zh: '访问权限复核 {review} 不存在。可通过 GET /api/v1/access-reviews 查看。',
  },
  review_closed: {
    status: 409,
    en: 'This access review is closed. Open a new one.',
    zh: '此访问权限复核已结束。请发起新的复核。',
  },
  line_not_found: {
    status: 404,
    en: 'The access review has no line {line}.',
    zh: '此访问权限复核中没有第 {line} 项。',
  },
  line_withdrawn: {
    status: 409,
    en: 'This was withdrawn already. Grant it anew if it is needed.',
    zh: '此项权限已被撤销。如有需要，请重新授予。',
  },
  lines_undecided: {
    status: 409,
    en: 'Line {line} is undecided. Keep or withdraw every line before closing.',
    zh: '第 {line} 项尚未处理。请先对每一项选择保留或撤销，再结束复核。',
  },
} as const;
