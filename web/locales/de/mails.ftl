# E-Mails als einfacher Text.

mail-code-subject = Ihr Tollgate-Code: { $code }
mail-sign-up =
    Geben Sie diesen Code ein, um Ihre Adresse zu bestätigen:

    {"    "}{ $code }

    Er gilt { $length }, auf { $url }.

    Falls Sie sich nicht registriert haben, können Sie diese E-Mail ignorieren.
mail-known-subject = Sie haben schon ein Tollgate-Konto
mail-known =
    Jemand, vermutlich Sie, hat sich auf { $url } mit dieser Adresse registriert. Sie haben dort schon ein Konto.

    Anmelden: { $url }/login
    Passwort vergessen? { $url }/forgot

    Falls Sie das nicht waren: Es ist nichts geschehen, und Sie müssen nichts tun.
mail-reset =
    Geben Sie diesen Code ein, um ein neues Passwort festzulegen:

    {"    "}{ $code }

    Er gilt { $length }, auf { $url }

    Falls Sie ihn nicht angefordert haben, können Sie diese E-Mail ignorieren: Ihr Passwort bleibt, wie es ist.
mail-lock-subject = Die Anmeldung zu Ihrem Tollgate-Konto pausiert
mail-lock =
    Nach mehreren falschen Passwörtern oder Codes pausiert die Anmeldung zu Ihrem Konto auf { $url } bis { $until }.

    Wenn Sie gleich weitermachen möchten, legen Sie ein neues Passwort fest: { $url }/forgot

    Falls diese Versuche nicht von Ihnen kamen: Ihr Passwort wurde nicht erraten, und Sie müssen nichts tun.
mail-changed-subject = Ihr Tollgate-Passwort wurde geändert
mail-changed =
    Das Passwort Ihres Kontos auf { $url } wurde geändert. Alle, die damit angemeldet waren, sind abgemeldet.

    Falls Sie das nicht waren, legen Sie sofort ein neues fest: { $url }/forgot
mail-changed-revoked =
    Das Passwort Ihres Kontos auf { $url } wurde geändert. Alle, die damit angemeldet waren, sind abgemeldet. Ihre persönlichen Tokens sind widerrufen: Programme, die sie verwendet haben, brauchen neue.

    Falls Sie das nicht waren, legen Sie sofort ein neues fest: { $url }/forgot
mail-invitation-subject = Einladung zu { $tenant }
mail-invitation =
    Sie sind eingeladen, { $tenant } beizutreten, mit der Rolle { $role }. Um anzunehmen, öffnen Sie diesen Link:

    {"    "}{ $url }

    Er gilt einmal, bis { $until }. Falls Sie nicht wissen, wer Sie einlädt, können Sie diese E-Mail ignorieren.
