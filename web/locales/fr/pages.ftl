# Vouvoiement, phrases courtes, sans jargon.

## Everywhere

skip = Aller au contenu
account-nav = Compte
language-nav = Langue
open-console = Ouvrir la console
sign-in = Se connecter
sign-up = S’inscrire
email = Adresse e-mail
password = Mot de passe
new-password = Nouveau mot de passe
show-password = Afficher le mot de passe
optional = facultatif
code = Code
password-hint = Au moins { $count } caractères. Une phrase courte convient bien.
outbox-hint = Cette installation n’envoie pas d’e-mails : ses opérateurs trouvent le code dans la { $link }.
outbox-link = boîte d’envoi
powered-by = Connexion par { $product }
privacy = Confidentialité
terms = Conditions d’utilisation
support = Aide

## Signing in and out

login-sub = Heureux de vous revoir.
login-forgot = Mot de passe oublié ?
login-new = Pas encore de compte ?
login-create = Créer un compte
login-again-heading = Se connecter à nouveau
login-again-sub = La page suivante change votre façon de vous connecter : confirmez encore une fois que c’est vous.
login-organisation = Se connecter avec votre organisation
login-passkey = Se connecter avec une clé d’accès
login-other-ways = Autres façons de se connecter
login-continue = Continuer avec { $name }
provider-over = Cette connexion est terminée ou a été commencée dans un autre navigateur. Veuillez recommencer.
provider-again = Quelqu’un est passé par le même chemin au même moment. Veuillez recommencer.
provider-denied = Vous n’avez pas été connecté avec { $name } : cela n’y a pas été autorisé.
provider-failed = { $name } ne vous a pas connecté. Réessayez, ou choisissez une autre méthode.
provider-unavailable = La connexion avec { $name } ne fonctionne pas pour le moment. Réessayez, ou choisissez une autre méthode.
provider-connected = { $name } est associé à votre compte.
provider-taken = Ce compte-là est déjà associé à quelqu’un.
provider-unverified = Le fournisseur ne garantit pas votre adresse e-mail. Confirmez-la auprès de lui, ou connectez-vous avec votre mot de passe.
provider-domain = Ce fournisseur ne peut pas connecter les personnes de votre domaine : son responsable n’a pas prouvé que le domaine est le sien.
provider-connect-first = Il existe déjà un compte avec votre adresse e-mail. Connectez-vous d’abord avec votre mot de passe, puis associez le fournisseur sur la page de votre compte.
provider-no-account = Vous n’avez pas encore de compte ici, et ce fournisseur n’en crée pas. Demandez une invitation.
provider-no-member = Vous n’êtes pas membre du client auquel appartient ce fournisseur. Demandez une invitation.
provider-member-disabled = Votre adhésion est désactivée. Adressez-vous à un propriétaire.
provider-account-disabled = Ce compte est désactivé. Adressez-vous aux responsables de la plateforme.
provider-runs-platform = Les responsables de la plateforme ne se connectent pas par le fournisseur d’un client.
passkey-failed = L’appareil n’a pas répondu. Réessayez, ou choisissez une autre méthode.
passkey-title = Créer une clé d’accès
passkey-sub = Connectez-vous en tant que { $email } avec votre empreinte, votre visage ou le code de l’appareil. Rien de ce qui se devine ou se vole n’est conservé ici.
passkey-needs-script = Les clés d’accès ont besoin de JavaScript, que ce navigateur n’exécute pas.
passkey-known = Cet appareil a déjà une clé d’accès pour votre compte.
passkey-name = Nom
passkey-name-hint = Pour la distinguer des autres, par exemple « Téléphone d’Ada ».
passkey-make = Créer
passkey-not-now = Pas maintenant
passkey-ready = La clé d’accès est prête : utilisez-la la prochaine fois.
error-passkey-made = La clé d’accès n’a pas pu être créée. Réessayez, ou avec un autre appareil.
second-title = Encore une étape
second-sub = Saisissez le code affiché par votre application d’authentification.
second-recovery-sub = Saisissez un des codes de récupération que vous avez conservés.
second-recovery = Code de récupération
second-lost = Perdue ?
second-use-recovery = Utiliser un code de récupération
second-use-authenticator = Utiliser plutôt l’application
second-again = Recommencer
logout-title = Se déconnecter ?
logout-sub = Une application demande à vous déconnecter ici.
logout-button = Se déconnecter
logout-stay = Rester connecté

## Signing up

signup-title = Créer votre compte
signup-sub = Une seule étape, puis un code par e-mail.
signup-tenant = Entreprise ou équipe
signup-tenant-hint = Votre espace : les clés, les forfaits et la consommation lui appartiennent.
signup-known = Vous avez déjà un compte ?
signup-for = Pour utiliser { $name }.
signup-passkey = S’inscrire plutôt avec une clé d’accès
closed-heading = { $name } est réservé aux personnes invitées
closed-sub = On ne s’inscrit pas soi-même à cette application. Demandez une invitation à ses responsables ; l’e-mail que vous recevrez vous guidera.
closed-known = Vous avez déjà un compte ?
confirm-title = Confirmer votre adresse e-mail
confirm-heading = Consultez votre messagerie
confirm-sub = Nous avons envoyé un code à six chiffres à { $email }.
confirm-button = Confirmer
confirm-no-code = Pas de code ?
confirm-resend = En envoyer un nouveau
confirm-or = ou
confirm-change = changer d’adresse
confirm-resent = Un nouveau code est en route.
confirm-welcome = Bienvenue. { $tenant } est prêt.

## A forgotten password

forgot-title = Mot de passe oublié
forgot-heading = Réinitialiser votre mot de passe
forgot-sub = Saisissez votre adresse e-mail : nous vous enverrons un code.
forgot-button = Envoyer le code
forgot-back = Retour à la connexion
reset-title = Choisir un nouveau mot de passe
reset-sub = S’il existe un compte pour { $email }, un code à six chiffres vient de lui être envoyé.
reset-hint = Au moins { $count } caractères. Vous serez déconnecté partout ailleurs.
reset-button = Enregistrer le mot de passe
reset-no-code = Pas de code ?
reset-again = En demander un nouveau
reset-done = Votre mot de passe a été changé. Connectez-vous avec le nouveau.

## On the way to an application

consent-title = Continuer vers { $client }
consent-choice = Pour quel espace ?
consent-choice-sub = Vous appartenez à plusieurs espaces. Choisissez celui pour lequel utiliser { $client }.
consent-heading = Autoriser { $client } ?
consent-sub = { $client } est proposé par { $publisher } et souhaite utiliser votre compte { $email }.
consent-tenant = Utiliser pour
consent-scopes = L’application pourra
consent-allow = Autoriser
consent-deny = Refuser
consent-go-on = Continuer
consent-cancel = Annuler
consent-joins = Vous devenez ainsi utilisateur de { $tenant }.
consent-destination = Vous reviendrez ensuite sur { $destination }.
consent-signed-in = Connecté en tant que { $email }.
scope-openid = Savoir qui vous êtes
scope-profile = Voir votre nom, votre rôle et vos groupes
scope-email = Voir votre adresse e-mail
scope-offline_access = Continuer à travailler lorsque vous êtes déconnecté
scope-other = Utiliser { $scope } en votre nom
go-on-title = Suite
go-on-heading = Un instant …
go-on-sub = S’il ne se passe rien, suivez le lien.
go-on-link = Continuer

## Invitations

invitation-title = Invitation
invitation-heading = Rejoindre { $tenant }
invitation-sub = Vous êtes invité avec le rôle { $role }.
invitation-signed-in = Vous êtes connecté en tant que { $email }.
invitation-name = Votre nom
invitation-password-hint = Au moins { $count } caractères.
invitation-button = Créer un compte et rejoindre
invitation-known = Vous avez un compte ?
invitation-sign-in = Se connecter pour accepter
invitation-welcome = Bienvenue chez { $tenant }.
invitation-other = Vous êtes connecté en tant que { $email }, et cette invitation a été envoyée à une autre adresse.
invitation-sign-out = Se déconnecter et revenir ici
role-owner = Propriétaire
role-admin = Administrateur
role-developer = Développeur
role-viewer = Lecteur
role-user = Utilisateur

## What is wrong with a form

error-email-required = Saisissez votre adresse e-mail.
error-password-required = Saisissez votre mot de passe.
error-tenant-required = Saisissez le nom de votre entreprise ou de votre équipe.
error-code-format = Saisissez les six chiffres reçus par e-mail.
error-code-wrong = Ce code est faux ou expiré. Vérifiez-le ou demandez-en un nouveau.
error-sign-in = L’adresse e-mail ou le mot de passe est incorrect. Après plusieurs mots de passe incorrects, la connexion est suspendue un moment ; un nouveau mot de passe met fin à la pause.
error-too-many = Trop de tentatives. Attendez { $length }, puis réessayez.
error-choose-tenant = Choisissez-en un.
error-wrong-account = Cette invitation concerne une autre adresse. Déconnectez-vous, puis ouvrez de nouveau le lien.
error-has-account = Vous avez déjà un compte : connectez-vous pour accepter.
error-passkey = Cette clé d’accès est inconnue ici, ou sa réponse est arrivée trop tard. Connectez-vous avec votre mot de passe, ou réessayez.
error-no-provider = Aucune organisation ne se connecte avec des adresses de ce domaine. Saisissez votre adresse professionnelle, ou connectez-vous avec votre mot de passe.
error-other-domain = On ne s’inscrit pas ici avec cette adresse. Utilisez votre adresse professionnelle, ou demandez aux responsables de l’application.
error-second-step = Ce code est faux ou a déjà été utilisé. Après plusieurs codes faux, la connexion est suspendue un moment.
error-email-invalid = Saisissez une adresse e-mail, par exemple ada@example.com.
error-required = Remplissez ce champ.
error-too-short = Utilisez au moins { $count } caractères. Quelques mots suffisent.
error-too-long = Utilisez au plus { $count } caractères.
error-line-invalid = Utilisez du texte simple, sans retour à la ligne ni caractère invisible.
error-password-common = C’est l’un des premiers que l’on essaie. Prenez quelques mots sans rapport entre eux, ou ce que propose un gestionnaire de mots de passe.
error-password-personal = N’y mettez ni votre adresse ni notre nom : c’est par là que l’on commence à deviner.

## Problems

problem-console = Aller à la console
problem-home = Accueil
problem-request-id = Identifiant de la requête
problem-form-expired-title = Ce formulaire a expiré
problem-form-expired-detail = Le formulaire n’est plus à jour ou vient d’un autre site ; rien n’a été modifié.
problem-form-expired-advice = Revenez en arrière, rechargez la page et envoyez de nouveau le formulaire.
problem-form-too-large-title = Ce formulaire est trop volumineux
problem-form-too-large-detail = Aucun de nos formulaires n’est aussi grand.
problem-form-too-large-advice = Revenez en arrière et réessayez.
problem-link-title = Ce lien ne fonctionne pas
problem-link-detail = L’application vous a envoyé ici avec un lien erroné : { $reason }.
problem-link-advice = Prévenez ceux qui gèrent l’application ; ce texte leur indique la cause.
problem-invitation-title = Cette invitation n’est plus valable
problem-invitation-detail = Elle a été utilisée, retirée ou remplacée, ou elle a expiré.
problem-invitation-advice = Demandez une nouvelle invitation.
problem-not-found-title = Page introuvable
problem-not-found-detail = Il n’y a rien à cette adresse, ou vous n’y avez pas accès.
problem-not-found-advice = Vérifiez l’adresse : elle contient peut-être une faute de frappe.
problem-method-title = Cela ne fonctionne pas ici
problem-method-detail = Cette page ne peut pas être utilisée ainsi.
problem-method-advice = Revenez en arrière et réessayez.
problem-unavailable-title = Pas de réponse
problem-unavailable-detail = La base de données est injoignable.
problem-unavailable-advice = Réessayez dans une minute. Les passerelles continuent de servir entre-temps.
problem-internal-title = Une erreur s’est produite
problem-internal-detail = L’erreur vient de chez nous ; elle est enregistrée sous l’identifiant de cette requête.
problem-internal-advice = Réessayez dans une minute. Si l’erreur persiste, donnez l’identifiant de la requête à l’opérateur.

## Lengths and instants

length-seconds = { $count ->
    [one] { $count } seconde
   *[other] { $count } secondes
}
length-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
length-hours = { $count ->
    [one] { $count } heure
   *[other] { $count } heures
}
length-days = { $count ->
    [one] { $count } jour
   *[other] { $count } jours
}
instant = { $day ->
    [1] 1er
   *[other] { $day }
} { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
} { $year } à { $time } (UTC)
