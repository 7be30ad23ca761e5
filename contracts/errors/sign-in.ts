/** Signing in, and one's own account. */
export const signInErrors = {
  sign_in_refused: {
    status: 403,
    en: 'The identity provider did not confirm who you are. Sign in again; if it keeps happening, ask your administrator.',
    zh: '身份提供方未能确认您的身份。请重新登录；如果问题持续出现，请联系管理员。',
  },
  sign_in_wrong_organisation: {
    status: 403,
    en: 'Your account belongs to another organisation than the one that may sign in here. Sign in with an account of that organisation.',
    zh: '您的账号不属于允许在此登录的组织。请使用该组织的账号登录。',
  },
  sign_in_not_a_member: {
    status: 403,
    en: 'Your account is valid, but none of its groups gives access to a tenant. Ask your administrator to add you to one.',
    zh: '您的账号有效，但所在的用户组均没有任何租户的访问权限。请联系管理员将您加入相应的用户组。',
  },
  account_disabled: {
    status: 403,
    en: 'Your account was disabled by an administrator. Ask one if you think that this is wrong.',
    zh: '您的账号已被管理员停用。如有疑问，请联系管理员。',
  },
  sign_in_expired: {
    status: 400,
    en: 'This sign-in was not begun in this browser, or took too long. Sign in again.',
    zh: '此次登录不是从当前浏览器发起的，或已超时。请重新登录。',
  },
  sign_in_busy: {
    status: 503,
    en: 'Too many people sign in at once. Try again in {retryAfter} s.',
    zh: '同时登录的人数过多。请在 {retryAfter} 秒后重试。',
  },
  provider_unavailable: {
    status: 502,
    en: 'The identity provider cannot be reached at the moment. Try again in {retryAfter} s.',
    zh: '暂时无法连接到身份提供方。请在 {retryAfter} 秒后重试。',
  },
  provider_not_found: {
    status: 404,
    en: 'There is no identity provider of that name. Begin again at the sign-in page.',
    zh: '没有该名称的身份提供方。请从登录页重新开始。',
  },
  credentials_wrong: {
    status: 401,
    en: 'The user name, the password or the code is wrong, or the account is locked. Check them and try again.',
    zh: '用户名、密码或验证码不正确，或账号已被锁定。请检查后重试。',
  },
  too_many_attempts: {
    status: 429,
    en: 'There were too many attempts with this user name. Try again in {retryAfter} s.',
    zh: '此用户名的尝试次数过多。请在 {retryAfter} 秒后重试。',
  },
  link_invalid: {
    status: 410,
    en: 'This link is unknown, was used, or has expired. Ask your administrator for a new one.',
    zh: '此链接无效、已被使用或已过期。请联系管理员获取新的链接。',
  },
  password_weak: {
    status: 422,
    en: 'The password {problem}. Choose another one.',
    zh: '密码不符合要求：{problem}。请换一个密码。',
  },
  passwords_differ: {
    status: 422,
    en: 'The two passwords are not the same. Type the same one twice.',
    zh: '两次输入的密码不一致。请重新输入。',
  },
  password_wrong: {
    status: 403,
    en: 'The present password is wrong, or there were too many attempts. Try again in a minute.',
    zh: '当前密码错误，或尝试次数过多。请一分钟后重试。',
  },
  code_wrong: {
    status: 422,
    en: 'The code of the authenticator app does not match. Check its clock, and type the code that it shows now.',
    zh: '身份验证器应用的验证码不正确。请检查设备时间，并输入当前显示的验证码。',
  },
  no_local_account: {
    status: 404,
    en: 'You have no local account: your password and second factor are kept where you sign in.',
    zh: '您没有本地账号：您的密码和双重验证由您所用的身份提供方管理。',
  },
  second_factor_exists: {
    status: 409,
    en: 'There is a second factor already. Remove it first, or ask an administrator to reset it.',
    zh: '双重验证已启用。请先将其移除，或请管理员重置。',
  },
  second_factor_demanded: {
    status: 409,
    en: 'The role {role} must have a second factor here, so it cannot be removed.',
    zh: '角色 {role} 必须启用双重验证，因此无法移除。',
  },
} as const;
