# Mails in plain text.

mail-code-subject = Your Tollgate code: { $code }
mail-sign-up =
    Enter this code to confirm your address:

    {"    "}{ $code }

    It works for { $length }, at { $url }.

    If you did not sign up, ignore this mail.
mail-known-subject = You have a Tollgate account already
mail-known =
    Somebody, probably you, signed up at { $url } with this address. You have an account already.

    Sign in: { $url }/login
    Forgot the password? { $url }/forgot

    If it was not you, nothing happened and there is nothing to do.
mail-reset =
    Enter this code to set a new password:

    {"    "}{ $code }

    It works for { $length }, at { $url }

    If you did not ask for it, ignore this mail: your password stays.
mail-lock-subject = Sign-in to your Tollgate account pauses
mail-lock =
    After several wrong passwords or codes, sign-in to your account at { $url } pauses until { $until }.

    To go on at once, set a new password: { $url }/forgot

    If these attempts were not yours, your password was not guessed, and there is nothing to do.
mail-changed-subject = Your Tollgate password was changed
mail-changed =
    The password of your account at { $url } was changed, and everybody who was signed in with it is signed out.

    If that was not you, set a new one at once: { $url }/forgot
mail-changed-revoked =
    The password of your account at { $url } was changed, and everybody who was signed in with it is signed out. Your personal tokens are revoked: programs that used them need new ones.

    If that was not you, set a new one at once: { $url }/forgot
mail-invitation-subject = You are invited to { $tenant }
mail-invitation =
    You are invited to join { $tenant } as { $role }. To accept, open this link:

    {"    "}{ $url }

    It works once, until { $until }. If you do not know who invites you, ignore this mail.
