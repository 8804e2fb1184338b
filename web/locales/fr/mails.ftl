# E-mails en texte simple.

mail-code-subject = Votre code Tollgate : { $code }
mail-sign-up =
    Saisissez ce code pour confirmer votre adresse :

    {"    "}{ $code }

    Il est valable { $length }, sur { $url }.

    Si vous ne vous êtes pas inscrit, ignorez cet e-mail.
mail-known-subject = Vous avez déjà un compte Tollgate
mail-known =
    Quelqu’un, sans doute vous, s’est inscrit sur { $url } avec cette adresse. Vous y avez déjà un compte.

    Se connecter : { $url }/login
    Mot de passe oublié ? { $url }/forgot

    Si ce n’était pas vous, rien ne s’est passé et vous n’avez rien à faire.
mail-reset =
    Saisissez ce code pour choisir un nouveau mot de passe :

    {"    "}{ $code }

    Il est valable { $length }, sur { $url }

    Si vous ne l’avez pas demandé, ignorez cet e-mail : votre mot de passe ne change pas.
mail-lock-subject = La connexion à votre compte Tollgate est suspendue
mail-lock =
    Après plusieurs mots de passe ou codes incorrects, la connexion à votre compte sur { $url } est suspendue jusqu’au { $until }.

    Pour continuer tout de suite, choisissez un nouveau mot de passe : { $url }/forgot

    Si ces tentatives ne venaient pas de vous, votre mot de passe n’a pas été deviné et vous n’avez rien à faire.
mail-changed-subject = Votre mot de passe Tollgate a été changé
mail-changed =
    Le mot de passe de votre compte sur { $url } a été changé ; toutes les sessions ouvertes avec ce compte sont terminées.

    Si ce n’était pas vous, choisissez-en un nouveau immédiatement : { $url }/forgot
mail-changed-revoked =
    Le mot de passe de votre compte sur { $url } a été changé ; toutes les sessions ouvertes avec ce compte sont terminées. Vos jetons personnels sont révoqués : les programmes qui les utilisaient doivent en recevoir de nouveaux.

    Si ce n’était pas vous, choisissez-en un nouveau immédiatement : { $url }/forgot
mail-invitation-subject = Vous êtes invité chez { $tenant }
mail-invitation =
    Vous êtes invité à rejoindre { $tenant } avec le rôle { $role }. Pour accepter, ouvrez ce lien :

    {"    "}{ $url }

    Il ne fonctionne qu’une fois, jusqu’au { $until }. Si vous ne savez pas qui vous invite, ignorez cet e-mail.
