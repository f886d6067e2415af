def html(comparison):
    from reverie.errors import UserError

    raise UserError("later")
